"""Program to ONNX, on the host."""
