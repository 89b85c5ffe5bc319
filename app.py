"""Start the demo: `python app.py`, then open http://127.0.0.1:7860. A Space runs this file as it is."""

from colorgan.demo import main

if __name__ == "__main__":
    main()
