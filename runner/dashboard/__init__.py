"""`run-campaign dashboard`: a ledger in a browser, live. Only this package knows Starlette and
uvicorn.

    auth          sessions: one pure ASGI layer in front of everything
    server        the socket, the one-time link, the end
    app           the addresses, and the pages for errors
    cache         reads of the ledger, one for all tabs
    context       what every page needs
    views         the pages
    forms         questions with what the answer would do, and the changes themselves
"""
