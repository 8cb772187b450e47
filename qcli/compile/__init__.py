"""Program and device to native circuits: layout, counts, depth."""
