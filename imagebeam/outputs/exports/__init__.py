"""Labels in other forms: tables, keywords in XMP sidecars, folders by label."""
