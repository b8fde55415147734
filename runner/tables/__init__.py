"""Tables, read and written: csv, tsv, txt, jsonl, json (each also .gz), xlsx and parquet.

Everything is text. What a spreadsheet has already rounded is a `RoundedNumber`.
"""
