"""A trained network in one file that other programs run, or read.

  graph           the network as torch.export has it
  metadata        what is written beside it
  as_onnx         a file for onnxruntime and others that run ONNX
  as_pt2          a file for torch alone
  as_safetensors  the numbers in half precision
  agreement       what a file gives, beside what the network gives
  job             writes a file and compares it

A file that does not say what the network says is not left.
"""

FILES = {"onnx": "model.onnx", "pt2": "model.pt2", "safetensors": "model.float16.safetensors"}  # format -> its name
