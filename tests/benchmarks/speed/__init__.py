"""Whether anything of Hearth can be felt: the floor, stock Gradio and Hearth, measured in turns in one real browser."""
