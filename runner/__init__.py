"""run-campaign: one personal direct message to every prospect of a sheet, exactly once."""

__version__: str


def __getattr__(name: str) -> str:
    # Late: importlib.metadata takes longer to load than `--help` takes to print.
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("run-campaign")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0.0.0"
