"""What can be known after training without ground truth."""
