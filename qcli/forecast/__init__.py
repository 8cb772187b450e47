"""What a device will do to a model's accuracy, with an interval: calibration in, prediction out."""
