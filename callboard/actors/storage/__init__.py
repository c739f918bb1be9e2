"""The storage domain: lists what object stores and filesystems of the notebook hold, and hands it out."""
