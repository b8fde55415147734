"""`--sandbox`: rehearsals of campaigns against a stand-in API, on throwaway ledgers."""
