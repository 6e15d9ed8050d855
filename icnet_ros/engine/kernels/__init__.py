"""Pre- and postprocessing: normalisation, upsampling, argmax and confidence."""
