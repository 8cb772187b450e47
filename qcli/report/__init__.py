"""Tables, plots and the HTML report, made from what a run directory holds."""
