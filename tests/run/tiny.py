"""Recipes that take seconds."""

CONTENT = {
    "data": {"name": "digits", "limit": 400, "validation": 0.2, "calibration": 0.2},
    "network": {"name": "mlp", "options": {"hidden": [12]}},
    "fit": {"epochs": 40, "batch": 40, "learning_rate": 1e-2},
    "compress": {"policy": {"default": {"sparsity": 0.5}}},
    "form": {"members": 3},
    "abstain": {"error_rate": 0.3, "confidence": 0.8},
    "evaluate": {"sparsities": [0.0, 0.5], "levels": [0.5], "perturbed": 20, "pgd_steps": 2},
    "measure": {"repeats": 5, "warmup": 1},
}

REGRESSION = {
    "data": {"name": "diabetes"},
    "network": {"name": "mlp", "options": {"hidden": [6]}},
    "inference": {"method": "point"},
    "fit": {"epochs": 3, "batch": 50},
    "compress": {"policy": {"default": {"sparsity": 0.5, "saliency": "magnitude"}}},
    "evaluate": {"sparsities": [0.5], "levels": [0.5], "perturbed": 20, "pgd_steps": 2},
    "measure": {"repeats": 3, "warmup": 0},
}
