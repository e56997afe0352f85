"""How results look: tables, pictures, one HTML page. Nothing is measured here."""
