"""Devices behind TVM's RPC: the server on the device, the tracker that hands devices out, and the host's side."""
