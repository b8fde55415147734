"""Cells of a sheet that are not what they seem: empty, rounded, damaged or computed."""
