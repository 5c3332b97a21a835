"""Anybody's table, a CSV and a folder of images, becomes tasks of three kinds."""
