"""Files for other programs, made from the tables and the schema."""
