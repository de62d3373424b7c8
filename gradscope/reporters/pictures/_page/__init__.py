"""The parts of the HTML page: what it is told of a graph, and the script and style that show it.

tables    rows as columns of numbers, what repeats told once     content   all that the page is told
rows      the nodes of the graph, and boxes that are no nodes    words     lines, findings and formulas
listing   the source lines of a small program                    assembly  one file of all that, which loads nothing

*.js are modules that import one another, *.css the style; `assembly` joins them.
"""
