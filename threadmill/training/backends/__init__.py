"""The libraries that compute: TensorFlow and JAX, behind one interface."""
