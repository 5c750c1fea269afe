"""The places that know hosts. One place, one file: its command or API call, and a pure parser."""
