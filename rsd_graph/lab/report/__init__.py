"""How results look: tables, pictures, one HTML page. Nothing is asked or graded here."""
