"""What a native library computes and where its numbers lie; with numpy and the small runtime alone."""
