"""The questions of `init`, each of which an option answers too, and the files that come out."""
