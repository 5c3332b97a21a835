"""What a trained network says of photos.

  answers   crops to logits, calibrated probabilities, decisions and saliency
  seeing    photos to faces with answers, some at a time
  tables    a line per face: CSV and JSON lines
  pictures  small pictures, within a page
  page      one HTML file to look at
  job       the three files of --job=predict

Of a photo no more than a thumbnail is kept while others are read.
"""
