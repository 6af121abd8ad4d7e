def escape(s): return s.replace("\\","\\\\").replace("<","&lt;")
