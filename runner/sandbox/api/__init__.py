"""The endpoints of the two API versions, as the sandbox answers them."""
