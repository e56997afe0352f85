"""What is asked, and who judges it: data sets, exams, the shipped task. Nothing is answered."""
