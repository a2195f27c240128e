"""Stage `texturize`: photos become banks of square textures, as they are or re-synthesized from their statistics."""
