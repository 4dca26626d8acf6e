"""Files of samples written again with augmented copies beside the originals: tables, texts, folders of images."""
