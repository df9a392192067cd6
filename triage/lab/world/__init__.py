"""The simulation: six models in production whose symptoms follow from what is wrong, on virtual time and by seed."""
