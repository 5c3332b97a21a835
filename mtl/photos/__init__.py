"""Anybody's photos: read, faces found in them and brought into the geometry of CelebA's aligned images."""
