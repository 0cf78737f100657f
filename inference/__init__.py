"""Request in, encoded clips out. Importing this package never imports torch."""
