"""What an inspection found, put right by an ordinary job, where one is safe. Inspections themselves change nothing."""
