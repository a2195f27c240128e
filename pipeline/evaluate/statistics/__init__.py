"""Statistics of single predictions, a module each with `measure(prediction, truth, objects, **parameters)`.

`truth` is (B, H, W) uint8 (0 background, 1..O objects, 255 void); every column returned is (B, O) or (B, 1).
"""
