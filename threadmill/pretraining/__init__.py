"""Pretraining: text and conversations to model-ready instances, by objective."""
