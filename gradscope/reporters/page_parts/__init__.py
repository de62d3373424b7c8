"""Modules of scripts that several pages share; `web_page` takes from here what a page has not itself."""
