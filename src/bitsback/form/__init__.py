"""What predicts on the device: each form turns a network and a posterior into a program."""
