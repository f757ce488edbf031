"""The page: the only rooms that know Gradio. `page.build_page` is their door; `render` and `pace` are pure."""
