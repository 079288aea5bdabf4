"""How much of a network can go, by what method it was trained: Bayes by Backprop against SGD and dropout.

After D. Prasad, "Model compression using Bayesian Deep Learning". See README.md beside this file.
"""
