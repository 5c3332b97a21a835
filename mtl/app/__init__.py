"""A page of this machine alone, on which people try trained networks: a photo in, its faces' attributes out.

  answers  bytes of a photo to what the page shows, as plain values; nothing is kept
  server   the page and its answers over HTTP, to browsers of this machine
  job      --job=app

page.html, page.css and page.js are the page; it asks nobody but this server.
"""
