"""The installed command, as a process, against the sandbox as a process, over HTTP."""
