/* Before anything is drawn: the viewer's colours, and the zone that times are shown in. */
(() => {
  const root = document.documentElement;
  const chosen = localStorage.getItem("theme");
  if (chosen) root.dataset.theme = chosen;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && zone !== root.dataset.zone && !sessionStorage.getItem("zone-" + zone)) {
    sessionStorage.setItem("zone-" + zone, "told");
    document.cookie = `zone=${encodeURIComponent(zone)}; path=/; SameSite=Strict; max-age=31536000`;
    location.reload();
  }
})();
