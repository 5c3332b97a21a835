"""A trained network that others can use: a folder with its tensors, its settings and a model card.

  untrusted   JSON of a file that anybody may have written
  tensors     the safetensors format
  settings    config.json: what a network is, and what is done to images before it and to logits after it
  naming      the names of a network's tensors in the file
  network     a network from its settings, without its numbers
  folder      writes and loads a model folder
  module      an nn.Module of what was loaded
  card        README.md: a model card
  facts       what a card says of the data

Nothing that is read here is executed; a file that is wrong or hostile gets one sentence.
"""
