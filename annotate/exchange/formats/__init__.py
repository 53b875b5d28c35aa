"""Other people's formats. Pure: bytes in, neutral records (records.py) out; nothing here knows the database; of Django, only its translations."""
