"""Stateless models: parameters and buffers in, features and logits out."""
