"""The parts of the HTML page: what it is told of a graph, and the script and style that show it.

tables    rows as columns of numbers, what repeats told once
rows      the nodes of the graph, and boxes that are no nodes
frames    groups of nodes, and which of them are equal
spans     long groups cut into the turns of a loop
words     lines, findings and formulas
listing   the source lines of a small program
content   all that the page is told
assembly  one file of all that, which loads nothing

*.js are modules that import one another, *.css the style; `assembly` joins them.
"""
