"""Do-not-contact lists: their columns, their handles, and whom they protect."""
