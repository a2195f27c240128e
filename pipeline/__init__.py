"""Glimpse's pipeline: one sub-package a stage, and what all stages share."""
