"""Where images come from: folders, archives, arrays, annotations, indexes, and the digits of scikit-learn."""
