"""`run-campaign dashboard`: a ledger in a browser, live. Only this package knows Starlette and
uvicorn.

    access    who may come in: one pure ASGI layer in front of everything
    server    the socket, the one-time link, the end
    app       the addresses, and what is said when the ledger fails
    sharing   looks at the ledger, one for all tabs
    pages     what is shown, under which address
    acting    what a person may do: asked first, with what it would come to, then done
"""
