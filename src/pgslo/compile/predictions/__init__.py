"""Predictions: their post-processing, and metrics over pairs of predictions and labels."""
