"""A whole run as data, read from TOML: every command of the command line is a recipe with one part filled in.

```toml
seed = 0
temperature = 1.0                 # multiplies the KL; 1 is Bayes' rule

[data]
name = "mnist"                    # or "digits", a folder's name, package.module:function
folder = "data"                   # where it is; without it, BITSBACK_DATA and the system's folders

[network]
name = "mlp"                      # or "lenet-5", ..., package.module:name, file.py:name
options = { hidden = [500, 500] }

[inference]
method = "mean_field"             # or "point"
prior = { name = "scale_mixture", pi = 0.5, std1 = 0.37, std2 = 0.0025 }

[compress.policy.default]
sparsity = 0.9

[form]
name = "ensemble"                 # or "point"
members = 20

[abstain]
error_rate = 0.01
confidence = 0.95

[evaluate]
levels = [0.1, 0.2, 0.4]          # of noise, FGSM and PGD, in standard deviations of the inputs
perturbed = 250                   # test inputs that are perturbed, at most
swept = 1000                      # samples that each step of the sweep over sparsities answers, at most
```

What is left out has its default. A key or a value that is wrong gives a `RecipeError` that names it. Every key is explained in
docs/recipe.md.
"""
