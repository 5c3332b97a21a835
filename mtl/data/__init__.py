"""Files become a table, the table one array of pixels, the array batches."""
